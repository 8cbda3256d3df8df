# Reads rows of a product over HTTP into a data frame. Base R, nothing else.
#
#   Rscript read_product.R http://127.0.0.1:8080 nyc.daily origin=JFK month.le=6
#
# Conditions are columns of the product with values; `<URL>/v1/products/nyc/daily/openapi.json` lists them. A
# token in LAKEBED_TOKEN says who asks.

# An answer has this many rows at most; the ones behind them are asked for by its header `link`.
limit <- 10000

read_product <- function(lake, product, conditions = character()) {
  headers <- c(Accept = "text/csv")
  token <- Sys.getenv("LAKEBED_TOKEN")
  if (nzchar(token)) headers <- c(headers, Authorization = paste("Bearer", token))
  query <- paste(c(vapply(conditions, encoded, ""), paste0("limit=", limit)), collapse = "&")
  path <- sub(".", "/", product, fixed = TRUE)
  file <- tempfile(fileext = ".csv")
  on.exit(unlink(file))
  # Unlike a connection, a download that breaks off is an error.
  download.file(paste0(lake, "/v1/products/", path, "/rows?", query), file, quiet = TRUE,
                mode = "wb", method = "libcurl", headers = headers)
  rows <- read.csv(file)
  if (nrow(rows) == limit) warning("there may be more rows: narrow the conditions")
  rows
}

# `origin=New York` as `origin=New%20York`.
encoded <- function(condition) {
  at <- regexpr("=", condition, fixed = TRUE)
  name <- substr(condition, 1, at - 1)
  value <- substr(condition, at + 1, nchar(condition))
  paste0(URLencode(name, reserved = TRUE), "=", URLencode(value, reserved = TRUE))
}

arguments <- commandArgs(trailingOnly = TRUE)
rows <- read_product(arguments[1], arguments[2], arguments[-(1:2)])
str(rows)
cat(nrow(rows), "rows\n")
