package {{ entity }}

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"
)

// Handler answers requests about {{ entities_words }}.
func Handler(store *Store) http.Handler {
	router := chi.NewRouter()
	router.Get("/", func(w http.ResponseWriter, r *http.Request) {
		before, _ := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64)
		list, err := store.List(r.Context(), 50, before)
		if err != nil {
			fail(w, http.StatusInternalServerError, "Something went wrong on our side.")
			return
		}
		answer(w, http.StatusOK, map[string]any{"data": list})
	})
	router.Get("/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, _ := strconv.ParseInt(chi.URLParam(r, "id"), 10, 64)
		found, err := store.Get(r.Context(), id)
		switch {
		case errors.Is(err, ErrNotFound):
			fail(w, http.StatusNotFound, "There is no such {{ entity_words }}.")
		case err != nil:
			fail(w, http.StatusInternalServerError, "Something went wrong on our side.")
		default:
			answer(w, http.StatusOK, found)
		}
	})
	router.Post("/", func(w http.ResponseWriter, r *http.Request) {
		var n New
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<18))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&n); err != nil {
			fail(w, http.StatusBadRequest, "The body is not a {{ entity_words }}: "+err.Error())
			return
		}
		if problems := n.Problems(); len(problems) > 0 {
			fail(w, http.StatusUnprocessableEntity, "Some fields need attention.", problems...)
			return
		}
		id, err := store.Add(r.Context(), n)
		if err != nil {
			fail(w, http.StatusInternalServerError, "Something went wrong on our side.")
			return
		}
		answer(w, http.StatusCreated, map[string]int64{"id": id})
	})
	return router
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func fail(w http.ResponseWriter, status int, title string, problems ...string) {
	answer(w, status, map[string]any{"title": title, "problems": problems})
}
