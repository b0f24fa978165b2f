"""What `remixer knative` needs: Envoy's settings for each way to hold a request."""
