# Bucket names are the whole world's: the project's id makes them unique.

resource "google_storage_bucket" "models" {
  name                        = "${var.project}-reviewmill-models"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true # the aliases are overwritten; their past is worth keeping
  }
}

resource "google_storage_bucket" "uploads" {
  name                        = "${var.project}-reviewmill-uploads"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
}

resource "google_storage_bucket" "results" {
  name                        = "${var.project}-reviewmill-results"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # What joins the parts of a large CSV job makes temporary objects, and the scorer may not delete them.
  lifecycle_rule {
    condition {
      age            = 1 # day
      matches_prefix = ["tmp/compose/"]
    }
    action {
      type = "Delete"
    }
  }
}

# Tells the worker of each finished upload; the function has its own trigger.
resource "google_storage_notification" "uploads" {
  count = var.consumer == "worker" ? 1 : 0

  bucket         = google_storage_bucket.uploads.name
  topic          = google_pubsub_topic.uploads.id
  event_types    = ["OBJECT_FINALIZE"]
  payload_format = "JSON_API_V1"
  depends_on     = [google_pubsub_topic_iam_member.storage_announces_uploads]
}

data "google_storage_project_service_account" "this" {}

resource "google_pubsub_topic_iam_member" "storage_announces_uploads" {
  topic  = google_pubsub_topic.uploads.id
  role   = "roles/pubsub.publisher"
  member = "serviceAccount:${data.google_storage_project_service_account.this.email_address}"
}
