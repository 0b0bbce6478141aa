<?php

declare(strict_types=1);

namespace App\Models;

use Illuminate\Database\Eloquent\Builder;
use Illuminate\Database\Eloquent\Factories\HasFactory;
use Illuminate\Database\Eloquent\Model;

/**
 * A {{ entity_words }}.
 *
{% for f in fields %}
 * @property {{ f.php_doc }} ${{ f.name }}
{% endfor %}
 */
final class {{ Entity }} extends Model
{
    use HasFactory;

    protected $table = '{{ entities }}';

    protected $fillable = [{% for f in fields %}'{{ f.name }}'{{ ", " if not loop.last }}{% endfor %}];

    protected function casts(): array
    {
        return [
{% for f in fields if f.php_cast %}
            '{{ f.name }}' => '{{ f.php_cast }}',
{% endfor %}
        ];
    }

    /** Newest first; ties by number, so that pages never overlap. */
    public function scopeNewest(Builder $query): Builder
    {
        return $query->orderByDesc('created_at')->orderByDesc('id');
    }
}
