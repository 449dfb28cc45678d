locals {
  # What differs from the defaults of worker/settings.py.
  environment = {
    GOOGLE_CLOUD_PROJECT  = var.project
    REVIEWMILL_MODELS     = "gs://${google_storage_bucket.models.name}"
    REVIEWMILL_UPLOADS    = "gs://${google_storage_bucket.uploads.name}"
    REVIEWMILL_RESULTS    = "gs://${google_storage_bucket.results.name}"
    REVIEWMILL_PRODUCTION = "true"
  }
}

# A pool and not a service: it pulls, and nobody calls it.
resource "google_cloud_run_v2_worker_pool" "worker" {
  count = var.consumer == "worker" ? 1 : 0

  name                = "reviewmill-worker"
  location            = var.region
  deletion_protection = false

  scaling {
    manual_instance_count = var.workers
  }

  template {
    service_account = google_service_account.scorer.email

    containers {
      image = var.worker_image
      args  = ["worker"]

      resources {
        limits = {
          cpu    = "2"
          memory = "2Gi"
        }
      }

      dynamic "env" {
        for_each = local.environment
        content {
          name  = env.key
          value = env.value
        }
      }
    }
  }

  lifecycle {
    precondition {
      condition     = var.worker_image != ""
      error_message = "Set worker_image to the image that docker build --target worker made, pushed to a registry."
    }
  }

  depends_on = [google_project_service.needed]
}
