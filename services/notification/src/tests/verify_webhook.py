"""Verifies a webhook with the Standard Webhooks project's own library: JSON in, a verdict out."""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

message = json.load(sys.stdin)
try:
    Webhook(message["secret"]).verify(message["body"], message["headers"])
    print("verified")
except WebhookVerificationError as error:
    print(f"refused: {error}")
