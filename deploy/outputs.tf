output "environment" {
  description = "Lines for a shell that publishes to, trains for or reads from this deployment."
  value       = join("\n", [for name, value in local.environment : "export ${name}=${value}"])
}

output "classify_url" {
  description = "Where the HTTP function answers."
  value       = google_cloudfunctions2_function.classify.url
}
