import 'package:path/path.dart';
import 'package:sqflite/sqflite.dart';

import '../models/{{ entity }}.dart';

/// {{ Entities_words }} in SQLite. The only file that knows SQL.
class {{ Entity }}Store {
  {{ Entity }}Store._(this._db);

  static Future<{{ Entity }}Store> open() async {
    final path = join(await getDatabasesPath(), '{{ module }}.db');
    final db = await openDatabase(path, version: 1, onCreate: (db, _) => db.execute('''
      CREATE TABLE {{ entities }} (
        id INTEGER PRIMARY KEY,
{% for f in fields %}
        {{ f.name }} {{ f.sqlite }} NOT NULL{{ "," if not loop.last }}
{% endfor %}
      )'''));
    return {{ Entity }}Store._(db);
  }

  final Database _db;

  Future<List<{{ Entity }}>> newest({int limit = 100}) async {
    final rows = await _db.query('{{ entities }}', orderBy: 'id DESC', limit: limit);
    return rows.map({{ Entity }}.fromRow).toList();
  }

  Future<int> save({{ Entity }} item) =>
      _db.insert('{{ entities }}', item.toRow(), conflictAlgorithm: ConflictAlgorithm.replace);

  Future<void> remove(int id) => _db.delete('{{ entities }}', where: 'id = ?', whereArgs: [id]);
}
