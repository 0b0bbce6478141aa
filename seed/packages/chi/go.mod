module example.com/{{ package }}

go 1.23

require (
	github.com/go-chi/chi/v5 v5.2.0
	github.com/jackc/pgx/v5 v5.7.2
{% if "Redis" in tech %}
	github.com/redis/go-redis/v9 v9.7.0
{% endif %}
{% if "Prometheus" in tech or "Grafana" in tech %}
	github.com/prometheus/client_golang v1.20.5
{% endif %}
{% if "Stripe" in tech %}
	github.com/stripe/stripe-go/v81 v81.3.0
{% endif %}
)
