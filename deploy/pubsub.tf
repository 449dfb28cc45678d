# Names and numbers are those of emulator/topology.py; tests/unit/test_terraform.py holds the two together.

locals {
  ack_deadline_s = 30
  max_attempts   = 10
  min_backoff    = "1s"
  max_backoff    = "600s"
  retention      = "604800s"

  pubsub_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_topic" "dead_letters" {
  name       = "dead-letters"
  depends_on = [google_project_service.needed]
}

resource "google_pubsub_topic" "reviews" {
  name       = "reviews"
  depends_on = [google_project_service.needed]
}

resource "google_pubsub_topic" "uploads" {
  name       = "uploads"
  depends_on = [google_project_service.needed]
}

resource "google_pubsub_topic" "completions" {
  name       = "completions"
  depends_on = [google_project_service.needed]
}

# What the worker pulls. Without the worker there is nobody to pull, and messages would pile up for a week.
resource "google_pubsub_subscription" "reviews_worker" {
  count = var.consumer == "worker" ? 1 : 0

  name                       = "reviews-worker"
  topic                      = google_pubsub_topic.reviews.id
  ack_deadline_seconds       = local.ack_deadline_s
  message_retention_duration = local.retention

  retry_policy {
    minimum_backoff = local.min_backoff
    maximum_backoff = local.max_backoff
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letters.id
    max_delivery_attempts = local.max_attempts
  }

  expiration_policy {
    ttl = "" # never: a subscription that nobody pulled for a month would be deleted with its messages
  }
}

resource "google_pubsub_subscription" "uploads_worker" {
  count = var.consumer == "worker" ? 1 : 0

  name                       = "uploads-worker"
  topic                      = google_pubsub_topic.uploads.id
  ack_deadline_seconds       = local.ack_deadline_s
  message_retention_duration = local.retention

  retry_policy {
    minimum_backoff = local.min_backoff
    maximum_backoff = local.max_backoff
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letters.id
    max_delivery_attempts = local.max_attempts
  }

  expiration_policy {
    ttl = ""
  }
}

# A topic without a subscription loses what reaches it: these two only keep. Without a retry policy, what a command looked
# at and gave back is there at once for the next one, which would else report that nothing is kept.
resource "google_pubsub_subscription" "dead_letters_kept" {
  name                       = "dead-letters-kept"
  topic                      = google_pubsub_topic.dead_letters.id
  ack_deadline_seconds       = local.ack_deadline_s
  message_retention_duration = local.retention

  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_subscription" "completions_kept" {
  name                       = "completions-kept"
  topic                      = google_pubsub_topic.completions.id
  ack_deadline_seconds       = local.ack_deadline_s
  message_retention_duration = local.retention

  expiration_policy {
    ttl = ""
  }
}

# Pub/Sub itself forwards dead letters. Without these grants it does not count attempts and forwards nothing.
resource "google_pubsub_topic_iam_member" "agent_forwards_dead_letters" {
  topic  = google_pubsub_topic.dead_letters.id
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "agent_takes_dead_reviews" {
  count = var.consumer == "worker" ? 1 : 0

  subscription = google_pubsub_subscription.reviews_worker[0].id
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "agent_takes_dead_uploads" {
  count = var.consumer == "worker" ? 1 : 0

  subscription = google_pubsub_subscription.uploads_worker[0].id
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}
