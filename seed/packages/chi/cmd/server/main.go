// Command server runs {{ name }}.
package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/{{ package }}/internal/config"
	"example.com/{{ package }}/internal/{{ entity }}"
)

func main() {
	cfg, err := config.FromEnv(os.LookupEnv)
	if err != nil {
		slog.Error("the configuration is not usable", "error", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	pool, err := pgxpool.New(ctx, cfg.DatabaseURL)
	if err != nil {
		slog.Error("no connection to the database", "error", err)
		os.Exit(1)
	}
	defer pool.Close()

	router := chi.NewRouter()
	router.Use(middleware.RequestID, middleware.Recoverer, middleware.Timeout(10*time.Second))
	router.Mount("/{{ entities }}", {{ entity }}.Handler({{ entity }}.NewStore(pool)))
	router.Get("/health", func(w http.ResponseWriter, r *http.Request) {
		if err := pool.Ping(r.Context()); err != nil {
			http.Error(w, "database", http.StatusServiceUnavailable)
		}
	})

	server := &http.Server{Addr: ":" + cfg.Port, Handler: router, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_ = server.Shutdown(grace)
	}()
	slog.Info("listening", "port", cfg.Port)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		slog.Error("stopped", "error", err)
		os.Exit(1)
	}
}
