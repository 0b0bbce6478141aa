//! Area under construction.
