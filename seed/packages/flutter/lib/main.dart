import 'package:flutter/material.dart';

import 'data/{{ entity }}_store.dart';
import 'screens/{{ entity }}_list_screen.dart';
import 'theme.dart';

Future<void> main() async {
  WidgetsFlutterBinding.ensureInitialized();
  runApp({{ Name }}App(store: await {{ Entity }}Store.open()));
}

class {{ Name }}App extends StatelessWidget {
  const {{ Name }}App({super.key, required this.store});

  final {{ Entity }}Store store;

  @override
  Widget build(BuildContext context) {
    return MaterialApp(
      title: '{{ name }}',
      theme: theme(Brightness.light),
      darkTheme: theme(Brightness.dark),
      home: {{ Entity }}ListScreen(store: store),
    );
  }
}
