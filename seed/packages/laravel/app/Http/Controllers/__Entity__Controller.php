<?php

declare(strict_types=1);

namespace App\Http\Controllers;

use App\Http\Requests\Store{{ Entity }}Request;
use App\Models\{{ Entity }};
use Illuminate\Http\RedirectResponse;
use Illuminate\View\View;

final class {{ Entity }}Controller
{
    public function index(): View
    {
        return view('{{ entities }}.index', ['{{ entities }}' => {{ Entity }}::query()->newest()->cursorPaginate(50)]);
    }

    public function store(Store{{ Entity }}Request $request): RedirectResponse
    {
        ${{ entity }} = {{ Entity }}::query()->create($request->validated());

        return redirect()->route('{{ entities }}.show', ${{ entity }})->with('status', 'Saved.');
    }

    public function show({{ Entity }} ${{ entity }}): View
    {
        return view('{{ entities }}.show', ['{{ entity }}' => ${{ entity }}]);
    }

    public function destroy({{ Entity }} ${{ entity }}): RedirectResponse
    {
        ${{ entity }}->delete();

        return redirect()->route('{{ entities }}.index')->with('status', 'Removed.');
    }
}
