variable "project" {
  description = "Google Cloud project id."
  type        = string
}

variable "region" {
  description = "Region of the buckets, the worker and the functions."
  type        = string
  default     = "europe-west1"
}

variable "consumer" {
  description = "Who scores messages and uploads: a worker pool that pulls, or functions that are called. Never both: each would score everything."
  type        = string
  default     = "worker"

  validation {
    condition     = contains(["worker", "function"], var.consumer)
    error_message = "The consumer must be worker or function."
  }
}

variable "worker_image" {
  description = "The worker's image with its digest (docker build --target worker); needed when consumer is worker."
  type        = string
  default     = ""
}

variable "workers" {
  description = "Instances of the worker; all share the subscriptions."
  type        = number
  default     = 1
}

variable "max_function_instances" {
  description = "Most instances of each function."
  type        = number
  default     = 20
}

variable "classify_invokers" {
  description = "Who may call the HTTP function, such as user:me@example.com; nobody by default."
  type        = set(string)
  default     = []
}
