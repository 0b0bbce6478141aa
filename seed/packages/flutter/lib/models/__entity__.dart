/// A {{ entity_words }} as it is kept on the device.
class {{ Entity }} {
  const {{ Entity }}({
    this.id,
{% for f in fields %}
    required this.{{ f.camel }},
{% endfor %}
  });

  factory {{ Entity }}.fromRow(Map<String, Object?> row) => {{ Entity }}(
        id: row['id'] as int?,
{% for f in fields %}
        {{ f.camel }}: {{ f.dart_read }},
{% endfor %}
      );

  final int? id;
{% for f in fields %}
  final {{ f.dart }} {{ f.camel }};
{% endfor %}

  Map<String, Object?> toRow() => {
        if (id != null) 'id': id,
{% for f in fields %}
        '{{ f.name }}': {{ f.dart_write }},
{% endfor %}
      };

  /// What keeps it from being saved, in words for the person who typed it.
  List<String> get problems => [
{% for f in fields %}
{% if f.kind in ["text", "email", "url"] %}
        if ({{ f.camel }}.trim().isEmpty) 'Please fill in “{{ f.label }}”.',
{% elif f.kind in ["int", "money"] %}
        if ({{ f.camel }} < 0) '“{{ f.label }}” cannot be negative.',
{% endif %}
{% endfor %}
      ];
}
