//! Routers, pages and protocol heads
