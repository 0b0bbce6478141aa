import 'package:flutter/material.dart';

import '../models/{{ entity }}.dart';

class {{ Entity }}Tile extends StatelessWidget {
  const {{ Entity }}Tile({super.key, required this.item});

  final {{ Entity }} item;

  @override
  Widget build(BuildContext context) {
    return Card(
      margin: const EdgeInsets.symmetric(horizontal: 16, vertical: 6),
      child: ListTile(
        title: Text('${item.{{ fields[0].camel }}}'),
        subtitle: Text('${item.{{ fields[1].camel }}}'),
        minVerticalPadding: 16,
      ),
    );
  }
}
