<?php

declare(strict_types=1);

namespace Tests\Feature;

use App\Models\{{ Entity }};
use App\Models\User;
use Illuminate\Foundation\Testing\RefreshDatabase;
use Tests\TestCase;

final class {{ Entity }}Test extends TestCase
{
    use RefreshDatabase;

    private const VALID = [
{% for f in fields %}
        '{{ f.name }}' => {{ f.php_sample }},
{% endfor %}
    ];

    public function test_a_complete_one_is_stored(): void
    {
        $this->actingAs(User::factory()->create())->post('/{{ entities }}', self::VALID)->assertRedirect();
        $this->assertSame(1, {{ Entity }}::query()->count());
    }

    public function test_what_is_missing_is_named(): void
    {
        $this->actingAs(User::factory()->create())->post('/{{ entities }}', [])->assertSessionHasErrors(array_keys(self::VALID));
    }

    public function test_strangers_see_nothing(): void
    {
        $this->get('/{{ entities }}')->assertRedirect('/login');
    }
}
