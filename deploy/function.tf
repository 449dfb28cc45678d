# The functions' source: the entry points, what they import, and their pinned packages under the name that the
# build looks for.

locals {
  root = "${path.module}/.."
  function_files = setunion(
    ["main.py"],
    fileset(local.root, "schemas/*.py"),
    fileset(local.root, "cloud/*.py"),
    fileset(local.root, "worker/**/*.py"),
  )
}

data "archive_file" "function" {
  type        = "zip"
  output_path = "${path.module}/.terraform/function.zip"

  dynamic "source" {
    for_each = local.function_files
    content {
      filename = source.value
      content  = file("${local.root}/${source.value}")
    }
  }

  source {
    filename = "requirements.txt"
    content  = file("${local.root}/requirements/function.txt")
  }
}

resource "google_storage_bucket" "source" {
  name                        = "${var.project}-reviewmill-source"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
}

resource "google_storage_bucket_object" "function" {
  name   = "function-${data.archive_file.function.output_sha256}.zip"
  bucket = google_storage_bucket.source.name
  source = data.archive_file.function.output_path
}

locals {
  # Without the retry policy, an event whose handler failed is dropped. Eventarc's own subscriptions hold the retries,
  # for a day, and have no dead letters: where those matter, let the worker consume.
  triggered = var.consumer == "function" ? {
    score_message = {
      name       = "reviewmill-score-message"
      event_type = "google.cloud.pubsub.topic.v1.messagePublished"
      topic      = google_pubsub_topic.reviews.id
      bucket     = null
    }
    score_upload = {
      name       = "reviewmill-score-upload"
      event_type = "google.cloud.storage.object.v1.finalized"
      topic      = null
      bucket     = google_storage_bucket.uploads.name
    }
  } : {}
}

resource "google_cloudfunctions2_function" "triggered" {
  for_each = local.triggered

  name     = each.value.name
  location = var.region

  build_config {
    runtime     = "python312"
    entry_point = each.key

    source {
      storage_source {
        bucket = google_storage_bucket.source.name
        object = google_storage_bucket_object.function.name
      }
    }
  }

  service_config {
    available_memory      = "1Gi"
    available_cpu         = "1"
    timeout_seconds       = 540
    max_instance_count    = var.max_function_instances
    ingress_settings      = "ALLOW_INTERNAL_ONLY"
    service_account_email = google_service_account.scorer.email
    environment_variables = local.environment
  }

  event_trigger {
    trigger_region        = var.region
    event_type            = each.value.event_type
    pubsub_topic          = each.value.topic
    retry_policy          = "RETRY_POLICY_RETRY"
    service_account_email = google_service_account.trigger.email

    dynamic "event_filters" {
      for_each = each.value.bucket == null ? [] : [each.value.bucket]
      content {
        attribute = "bucket"
        value     = event_filters.value
      }
    }
  }

  depends_on = [
    google_project_iam_member.trigger_receives,
    google_project_iam_member.storage_publishes_events,
    google_project_service.needed,
  ]
}

resource "google_cloudfunctions2_function" "classify" {
  name     = "reviewmill-classify"
  location = var.region

  build_config {
    runtime     = "python312"
    entry_point = "classify"

    source {
      storage_source {
        bucket = google_storage_bucket.source.name
        object = google_storage_bucket_object.function.name
      }
    }
  }

  service_config {
    available_memory      = "1Gi"
    available_cpu         = "1"
    timeout_seconds       = 60
    max_instance_count    = var.max_function_instances
    service_account_email = google_service_account.scorer.email
    environment_variables = local.environment
  }

  depends_on = [google_project_service.needed]
}

resource "google_cloud_run_service_iam_member" "calls_classify" {
  for_each = var.classify_invokers

  location = var.region
  service  = google_cloudfunctions2_function.classify.name
  role     = "roles/run.invoker"
  member   = each.value
}

# The triggers' own account: it receives events and calls the two functions, nothing else.
resource "google_service_account" "trigger" {
  account_id   = "reviewmill-trigger"
  display_name = "Reviewmill: calls the functions for events"
}

# Eventarc accepts this role on the project only.
resource "google_project_iam_member" "trigger_receives" {
  project = var.project
  role    = "roles/eventarc.eventReceiver"
  member  = "serviceAccount:${google_service_account.trigger.email}"
}

resource "google_cloud_run_service_iam_member" "trigger_calls" {
  for_each = google_cloudfunctions2_function.triggered

  location = var.region
  service  = each.value.name
  role     = "roles/run.invoker"
  member   = "serviceAccount:${google_service_account.trigger.email}"
}

# Eventarc makes the topic for bucket events itself, so the grant cannot name it.
resource "google_project_iam_member" "storage_publishes_events" {
  count = var.consumer == "function" ? 1 : 0

  project = var.project
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:${data.google_storage_project_service_account.this.email_address}"
}
