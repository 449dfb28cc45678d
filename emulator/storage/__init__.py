"""An embedded Cloud Storage server: the JSON API that the unchanged google-cloud-storage client speaks.

What it does not do answers 501 with the reason, so that no test passes by luck: object versioning, holds, retention,
access control lists, customer keys and XML uploads. Lifecycle rules are stored and never act.
"""
