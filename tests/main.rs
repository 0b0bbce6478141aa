//! Stories across all rooms, one a file, on the real stack: Postgres, the storage, payment and mail stand-ins reached by the
//! vendors' own clients, real processes where a process is to be killed, a real browser where a page is to be used.

mod api;
mod avatar;
mod browser;
mod categories;
mod check;
mod command_line;
mod dashboard;
mod guards;
mod identity;
mod killed;
mod licences;
mod mail;
mod responsive;
mod row_security;
mod sale;
mod search;
mod selling;
mod support;
mod suspension;
mod swept;
mod views;
mod watching;
