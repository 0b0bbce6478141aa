CREATE TABLE {{ entities }} (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
{% for f in fields %}
  {{ f.name }} {{ f.sql }} NOT NULL,
{% endfor %}
  created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX {{ entities }}_newest_idx ON {{ entities }} (id DESC);
