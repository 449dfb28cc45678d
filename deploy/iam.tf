# One account for each job, with no more than the job needs. Roles are granted on the resource, not on the project.

resource "google_service_account" "scorer" {
  account_id   = "reviewmill-scorer"
  display_name = "Reviewmill: scores (worker and functions)"
}

resource "google_service_account" "publisher" {
  account_id   = "reviewmill-publisher"
  display_name = "Reviewmill: sends reviews and reads results"
}

resource "google_service_account" "trainer" {
  account_id   = "reviewmill-trainer"
  display_name = "Reviewmill: trains and promotes models"
}

resource "google_service_account" "compactor" {
  account_id   = "reviewmill-compactor"
  display_name = "Reviewmill: seals past hours of results"
}

resource "google_service_account" "operator" {
  account_id   = "reviewmill-operator"
  display_name = "Reviewmill: redrives dead letters and reads completions"
}

locals {
  compactor = "serviceAccount:${google_service_account.compactor.email}"
  scorer    = "serviceAccount:${google_service_account.scorer.email}"
  operator  = "serviceAccount:${google_service_account.operator.email}"
  publisher = "serviceAccount:${google_service_account.publisher.email}"
  trainer   = "serviceAccount:${google_service_account.trainer.email}"

  # Results are create-only: the scorer may neither change nor delete what is stored.
  bucket_grants = {
    scorer_reads_models      = { bucket = google_storage_bucket.models.name, role = "roles/storage.objectViewer", member = local.scorer }
    scorer_reads_uploads     = { bucket = google_storage_bucket.uploads.name, role = "roles/storage.objectViewer", member = local.scorer }
    scorer_reads_results     = { bucket = google_storage_bucket.results.name, role = "roles/storage.objectViewer", member = local.scorer }
    scorer_creates_results   = { bucket = google_storage_bucket.results.name, role = "roles/storage.objectCreator", member = local.scorer }
    publisher_creates_upload = { bucket = google_storage_bucket.uploads.name, role = "roles/storage.objectCreator", member = local.publisher }
    publisher_reads_uploads  = { bucket = google_storage_bucket.uploads.name, role = "roles/storage.objectViewer", member = local.publisher }
    publisher_reads_results  = { bucket = google_storage_bucket.results.name, role = "roles/storage.objectViewer", member = local.publisher }
    compactor_reads_results  = { bucket = google_storage_bucket.results.name, role = "roles/storage.objectViewer", member = local.compactor }
    trainer_writes_models    = { bucket = google_storage_bucket.models.name, role = "roles/storage.objectUser", member = local.trainer }
  }
}

resource "google_storage_bucket_iam_member" "granted" {
  for_each = local.bucket_grants

  bucket = each.value.bucket
  role   = each.value.role
  member = each.value.member
}

# Who may delete may also overwrite. Only where compaction writes and deletes: the results of CSV jobs stay create-only.
resource "google_storage_bucket_iam_member" "compactor_seals" {
  bucket = google_storage_bucket.results.name
  role   = "roles/storage.objectUser"
  member = local.compactor

  condition {
    title      = "results of messages only"
    expression = <<-EOT
      resource.name.startsWith("projects/_/buckets/${google_storage_bucket.results.name}/objects/reviews/v1/") ||
      resource.name.startsWith("projects/_/buckets/${google_storage_bucket.results.name}/objects/rejections/v1/") ||
      resource.name.startsWith("projects/_/buckets/${google_storage_bucket.results.name}/objects/sealed/v1/")
    EOT
  }
}

resource "google_pubsub_topic_iam_member" "publisher_sends_reviews" {
  topic  = google_pubsub_topic.reviews.id
  role   = "roles/pubsub.publisher"
  member = local.publisher
}

resource "google_pubsub_topic_iam_member" "scorer_tells_completions" {
  topic  = google_pubsub_topic.completions.id
  role   = "roles/pubsub.publisher"
  member = local.scorer
}

# A worker hands the ranges of a large upload to all workers: as messages on the topic that brought the upload.
resource "google_pubsub_topic_iam_member" "scorer_shares_ranges" {
  count = var.consumer == "worker" ? 1 : 0

  topic  = google_pubsub_topic.uploads.id
  role   = "roles/pubsub.publisher"
  member = local.scorer
}

resource "google_pubsub_subscription_iam_member" "scorer_pulls_reviews" {
  count = var.consumer == "worker" ? 1 : 0

  subscription = google_pubsub_subscription.reviews_worker[0].id
  role         = "roles/pubsub.subscriber"
  member       = local.scorer
}

resource "google_pubsub_subscription_iam_member" "scorer_pulls_uploads" {
  count = var.consumer == "worker" ? 1 : 0

  subscription = google_pubsub_subscription.uploads_worker[0].id
  role         = "roles/pubsub.subscriber"
  member       = local.scorer
}

# The operator takes what is kept, and publishes dead letters to the two topics that they came from. It reads no bucket.
resource "google_pubsub_subscription_iam_member" "operator_takes_dead_letters" {
  subscription = google_pubsub_subscription.dead_letters_kept.id
  role         = "roles/pubsub.subscriber"
  member       = local.operator
}

resource "google_pubsub_subscription_iam_member" "operator_takes_completions" {
  subscription = google_pubsub_subscription.completions_kept.id
  role         = "roles/pubsub.subscriber"
  member       = local.operator
}

resource "google_pubsub_topic_iam_member" "operator_redrives_reviews" {
  topic  = google_pubsub_topic.reviews.id
  role   = "roles/pubsub.publisher"
  member = local.operator
}

resource "google_pubsub_topic_iam_member" "operator_redrives_uploads" {
  topic  = google_pubsub_topic.uploads.id
  role   = "roles/pubsub.publisher"
  member = local.operator
}
