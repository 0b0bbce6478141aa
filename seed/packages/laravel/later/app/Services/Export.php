<?php

declare(strict_types=1);

namespace App\Services;

use App\Models\{{ Entity }};
use Generator;

/** {{ Entities_words }} as lines of CSV, read in portions so that memory stays flat. */
final class Export
{
    private const COLUMNS = [{% for f in fields %}'{{ f.name }}'{{ ", " if not loop.last }}{% endfor %}];

    /** @return Generator<int, list<string>> */
    public function rows(): Generator
    {
        yield self::COLUMNS;
        foreach ({{ Entity }}::query()->newest()->lazy(500) as $row) {
            yield array_map(fn (string $column): string => $this->defuse((string) $row->getAttribute($column)), self::COLUMNS);
        }
    }

    private function defuse(string $value): string
    {
        return preg_match('/^[=+\-@]/', $value) === 1 ? "'".$value : $value;
    }
}
