<?php

declare(strict_types=1);

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\Schema;

return new class extends Migration
{
    public function up(): void
    {
        Schema::create('{{ entities }}', function (Blueprint $table): void {
            $table->id();
{% for f in fields %}
            $table->{{ f.php_column }}('{{ f.name }}');
{% endfor %}
            $table->timestamps();
            $table->index(['created_at', 'id']);
        });
    }

    public function down(): void
    {
        Schema::dropIfExists('{{ entities }}');
    }
};
