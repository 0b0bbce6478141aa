package {{ entity }}

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrNotFound says that there is no such {{ entity_words }}.
var ErrNotFound = errors.New("there is no such {{ entity_words }}")

const columns = "id, created_at, {% for f in fields %}{{ f.name }}{{ ", " if not loop.last }}{% endfor %}"

// Store keeps {{ entities_words }} in Postgres.
type Store struct{ pool *pgxpool.Pool }

// NewStore uses the given pool.
func NewStore(pool *pgxpool.Pool) *Store { return &Store{pool: pool} }

// List returns the newest ones below before, or the newest of all when before is zero.
func (s *Store) List(ctx context.Context, limit int, before int64) ([]{{ Entity }}, error) {
	rows, err := s.pool.Query(ctx, "SELECT "+columns+" FROM {{ entities }} WHERE $2 = 0 OR id < $2 ORDER BY id DESC LIMIT $1", limit, before)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByNameLax[{{ Entity }}])
}

// Get returns one, or ErrNotFound.
func (s *Store) Get(ctx context.Context, id int64) ({{ Entity }}, error) {
	rows, err := s.pool.Query(ctx, "SELECT "+columns+" FROM {{ entities }} WHERE id = $1", id)
	if err != nil {
		return {{ Entity }}{}, err
	}
	found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByNameLax[{{ Entity }}])
	if errors.Is(err, pgx.ErrNoRows) {
		return {{ Entity }}{}, ErrNotFound
	}
	return found, err
}

// Add stores a new one and returns its id.
func (s *Store) Add(ctx context.Context, n New) (id int64, err error) {
	err = s.pool.QueryRow(ctx,
		"INSERT INTO {{ entities }} ({% for f in fields %}{{ f.name }}{{ ", " if not loop.last }}{% endfor %}) VALUES ({% for f in fields %}${{ loop.index }}{{ ", " if not loop.last }}{% endfor %}) RETURNING id",
		{% for f in fields %}n.{{ f.pascal }}{{ ", " if not loop.last }}{% endfor %}).Scan(&id)
	return id, err
}
