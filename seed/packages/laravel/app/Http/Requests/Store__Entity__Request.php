<?php

declare(strict_types=1);

namespace App\Http\Requests;

use Illuminate\Foundation\Http\FormRequest;

final class Store{{ Entity }}Request extends FormRequest
{
    public function authorize(): bool
    {
        return $this->user() !== null;
    }

    /** @return array<string, list<string>> */
    public function rules(): array
    {
        return [
{% for f in fields %}
            '{{ f.name }}' => {{ f.php_rules }},
{% endfor %}
        ];
    }

    /** @return array<string, string> */
    public function messages(): array
    {
        return [
{% for f in fields %}
            '{{ f.name }}.required' => 'Please fill in “{{ f.label }}”.',
{% endfor %}
        ];
    }
}
