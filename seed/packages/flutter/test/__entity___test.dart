import 'package:flutter_test/flutter_test.dart';
import 'package:{{ module }}/models/{{ entity }}.dart';

void main() {
  final item = {{ Entity }}(
{% for f in fields %}
    {{ f.camel }}: {{ f.dart_sample }},
{% endfor %}
  );

  test('survives the way to the database and back', () {
    expect({{ Entity }}.fromRow(item.toRow()).toRow(), item.toRow());
  });

  test('a complete one has no problems', () {
    expect(item.problems, isEmpty);
  });
}
