import 'package:flutter/material.dart';

import '../data/{{ entity }}_store.dart';
import '../models/{{ entity }}.dart';
import '../widgets/{{ entity }}_tile.dart';

class {{ Entity }}ListScreen extends StatefulWidget {
  const {{ Entity }}ListScreen({super.key, required this.store});

  final {{ Entity }}Store store;

  @override
  State<{{ Entity }}ListScreen> createState() => _{{ Entity }}ListScreenState();
}

class _{{ Entity }}ListScreenState extends State<{{ Entity }}ListScreen> {
  late Future<List<{{ Entity }}>> _items = widget.store.newest();

  @override
  Widget build(BuildContext context) {
    return Scaffold(
      appBar: AppBar(title: const Text('{{ Entities_words }}')),
      body: FutureBuilder<List<{{ Entity }}>>(
        future: _items,
        builder: (context, snapshot) {
          final items = snapshot.data;
          if (items == null) return const Center(child: CircularProgressIndicator());
          if (items.isEmpty) return const Center(child: Text('Nothing here yet.'));
          return RefreshIndicator(
            onRefresh: () async => setState(() => _items = widget.store.newest()),
            child: ListView.builder(
              itemCount: items.length,
              itemBuilder: (context, index) => {{ Entity }}Tile(item: items[index]),
            ),
          );
        },
      ),
    );
  }
}
