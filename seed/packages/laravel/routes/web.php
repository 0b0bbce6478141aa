<?php

declare(strict_types=1);

use App\Http\Controllers\{{ Entity }}Controller;
use Illuminate\Support\Facades\Route;

Route::redirect('/', '/{{ entities }}');
Route::middleware('auth')->group(function (): void {
    Route::resource('{{ entities }}', {{ Entity }}Controller::class)->only(['index', 'store', 'show', 'destroy']);
});
