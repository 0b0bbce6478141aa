import 'package:flutter/material.dart';

ThemeData theme(Brightness brightness) {
  final scheme = ColorScheme.fromSeed(seedColor: const Color(0xff{{ accent_hex }}), brightness: brightness);
  return ThemeData(
    colorScheme: scheme,
    useMaterial3: true,
    visualDensity: VisualDensity.standard,
    cardTheme: CardTheme(shape: RoundedRectangleBorder(borderRadius: BorderRadius.circular(20))),
  );
}
