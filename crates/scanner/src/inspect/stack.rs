//! The stack as people name it: main languages first, then what the manifests show, then what lies in the folders.

use super::Language;
use crate::{
    FileEntry,
    manifest::{Bill, Ecosystem},
};

/// Most names that are worth showing, as on a product (spec 3).
const MAX: usize = 10;

/// Dependencies that are a part of the stack rather than a detail of it.
const KNOWN: &[(Ecosystem, &str, &str)] = &[
    (Ecosystem::Npm, "next", "Next.js"),
    (Ecosystem::Npm, "react", "React"),
    (Ecosystem::Npm, "react-native", "React Native"),
    (Ecosystem::Npm, "expo", "Expo"),
    (Ecosystem::Npm, "vue", "Vue"),
    (Ecosystem::Npm, "nuxt", "Nuxt"),
    (Ecosystem::Npm, "svelte", "Svelte"),
    (Ecosystem::Npm, "@sveltejs/kit", "SvelteKit"),
    (Ecosystem::Npm, "@angular/core", "Angular"),
    (Ecosystem::Npm, "astro", "Astro"),
    (Ecosystem::Npm, "express", "Express"),
    (Ecosystem::Npm, "fastify", "Fastify"),
    (Ecosystem::Npm, "@nestjs/core", "NestJS"),
    (Ecosystem::Npm, "hono", "Hono"),
    (Ecosystem::Npm, "prisma", "Prisma"),
    (Ecosystem::Npm, "@prisma/client", "Prisma"),
    (Ecosystem::Npm, "drizzle-orm", "Drizzle"),
    (Ecosystem::Npm, "tailwindcss", "Tailwind CSS"),
    (Ecosystem::Npm, "stripe", "Stripe"),
    (Ecosystem::Npm, "pg", "PostgreSQL"),
    (Ecosystem::Npm, "mysql2", "MySQL"),
    (Ecosystem::Npm, "mongoose", "MongoDB"),
    (Ecosystem::Npm, "ioredis", "Redis"),
    (Ecosystem::Npm, "bullmq", "BullMQ"),
    (Ecosystem::Npm, "playwright", "Playwright"),
    (Ecosystem::Npm, "electron", "Electron"),
    (Ecosystem::Npm, "d3", "D3"),
    (Ecosystem::PyPi, "django", "Django"),
    (Ecosystem::PyPi, "flask", "Flask"),
    (Ecosystem::PyPi, "fastapi", "FastAPI"),
    (Ecosystem::PyPi, "sqlalchemy", "SQLAlchemy"),
    (Ecosystem::PyPi, "celery", "Celery"),
    (Ecosystem::PyPi, "pandas", "pandas"),
    (Ecosystem::PyPi, "torch", "PyTorch"),
    (Ecosystem::PyPi, "tensorflow", "TensorFlow"),
    (Ecosystem::PyPi, "redis", "Redis"),
    (Ecosystem::PyPi, "psycopg", "PostgreSQL"),
    (Ecosystem::PyPi, "asyncpg", "PostgreSQL"),
    (Ecosystem::PyPi, "stripe", "Stripe"),
    (Ecosystem::Cargo, "axum", "Axum"),
    (Ecosystem::Cargo, "actix-web", "Actix"),
    (Ecosystem::Cargo, "tokio", "Tokio"),
    (Ecosystem::Cargo, "sqlx", "SQLx"),
    (Ecosystem::Cargo, "tauri", "Tauri"),
    (Ecosystem::Golang, "github.com/gin-gonic/gin", "Gin"),
    (Ecosystem::Golang, "github.com/labstack/echo/v4", "Echo"),
    (Ecosystem::Golang, "github.com/gofiber/fiber/v2", "Fiber"),
    (Ecosystem::Golang, "github.com/go-chi/chi/v5", "chi"),
    (Ecosystem::Golang, "github.com/jackc/pgx/v5", "PostgreSQL"),
    (Ecosystem::Golang, "github.com/redis/go-redis/v9", "Redis"),
    (Ecosystem::Composer, "laravel/framework", "Laravel"),
    (Ecosystem::Composer, "symfony/framework-bundle", "Symfony"),
    (Ecosystem::Composer, "livewire/livewire", "Livewire"),
    (Ecosystem::Gem, "rails", "Rails"),
    (Ecosystem::Gem, "sidekiq", "Sidekiq"),
    (Ecosystem::Gem, "sinatra", "Sinatra"),
    (Ecosystem::Maven, "org.springframework.boot/spring-boot-starter-web", "Spring Boot"),
    (Ecosystem::Maven, "org.springframework.boot/spring-boot-starter", "Spring Boot"),
    (Ecosystem::NuGet, "microsoft.aspnetcore.app", "ASP.NET Core"),
    (Ecosystem::NuGet, "microsoft.entityframeworkcore", "EF Core"),
    (Ecosystem::Pub, "flutter", "Flutter"),
];

/// Names of the stack, at most ten.
pub(super) fn of(languages: &[(Language, u64)], bill: &Bill, files: &[FileEntry]) -> Vec<String> {
    let total: u64 = languages.iter().map(|(_, bytes)| bytes).sum();
    let main = languages.iter().filter(|(language, bytes)| language.is_general() && bytes * 10 >= total).map(|(l, _)| l.name());
    let frameworks = KNOWN.iter().filter(|(ecosystem, name, _)| bill.has(*ecosystem, name)).map(|(_, _, label)| *label);
    let named = |wanted: &[&str]| files.iter().any(|f| wanted.contains(&f.path.rsplit('/').next().unwrap_or(&f.path)));
    let tools = [
        (named(&["Dockerfile", "Containerfile", "docker-compose.yml", "compose.yaml", "compose.yml"]), "Docker"),
        (named(&["Chart.yaml", "kustomization.yaml"]), "Kubernetes"),
        (files.iter().any(|f| f.path.contains(".github/workflows/")), "GitHub Actions"),
    ];
    let mut stack: Vec<String> = Vec::new();
    for name in main.chain(frameworks).chain(tools.into_iter().filter(|(present, _)| *present).map(|(_, name)| name)) {
        if stack.len() < MAX && !stack.iter().any(|known| known == name) {
            stack.push(name.to_owned());
        }
    }
    stack
}
