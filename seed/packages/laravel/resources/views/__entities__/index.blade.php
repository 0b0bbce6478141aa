<x-layout title="{{ Entities_words }}">
    <h1>{{ Entities_words }}</h1>

    @forelse (${{ entities }} as ${{ entity }})
        <article>
            <h2><a href="{% raw %}{{ route('{% endraw %}{{ entities }}.show', ${{ entity }}{% raw %}) }}{% endraw %}">{% raw %}{{ {% endraw %}${{ entity }}->{{ fields[0].name }}{% raw %} }}{% endraw %}</a></h2>
            <dl>
{% for f in fields %}
                <dt>{{ f.label }}</dt>
                <dd>{% raw %}{{ {% endraw %}${{ entity }}->{{ f.name }}{% raw %} }}{% endraw %}</dd>
{% endfor %}
            </dl>
        </article>
    @empty
        <p>Nothing here yet.</p>
    @endforelse

    {{ "{{ $" ~ entities ~ "->links() }}" }}
</x-layout>
