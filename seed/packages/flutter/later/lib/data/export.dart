import 'dart:convert';

import '../models/{{ entity }}.dart';

/// All {{ entities_words }} as JSON that their owner can keep.
String backup(List<{{ Entity }}> items) => const JsonEncoder.withIndent('  ').convert({
      'app': '{{ package }}',
      'version': '{{ version }}',
      '{{ entities }}': [for (final item in items) item.toRow()],
    });
