//! Rules about the repository, as tests: who depends on whom, what every file and page must have.

mod crates;
mod files;
mod pages;
mod repository;
