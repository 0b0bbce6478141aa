// Package config reads settings once and checks all of them.
package config

import (
	"errors"
	"fmt"
	"strconv"
)

// Config is everything that can be set.
type Config struct {
	Port        string
	DatabaseURL string
}

// FromEnv reads the environment through lookup, so that tests need none.
func FromEnv(lookup func(string) (string, bool)) (Config, error) {
	cfg := Config{Port: "{{ port }}"}
	var faults []error
	if port, ok := lookup("PORT"); ok {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			faults = append(faults, fmt.Errorf("PORT is %q, which is no port", port))
		}
		cfg.Port = port
	}
	url, ok := lookup("DATABASE_URL")
	if !ok || url == "" {
		faults = append(faults, errors.New("DATABASE_URL is not set"))
	}
	cfg.DatabaseURL = url
	return cfg, errors.Join(faults...)
}
