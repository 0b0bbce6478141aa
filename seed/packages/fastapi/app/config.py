"""Settings, read once from the environment and checked."""

from functools import lru_cache

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    database_url: str = Field(description="Where the data lives")
    log_level: str = "info"
    page_size: int = Field(default=50, ge=1, le=200)


@lru_cache
def settings() -> Settings:
    return Settings()  # type: ignore[call-arg]
