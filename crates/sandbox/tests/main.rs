//! The stand-ins, driven by the clients that ship.

mod support;

mod accounts;
mod cluster;
mod mail;
mod payments;
mod storage;
