"""People are told of approvals: by Slack, mail, webhooks and whatever Apprise reaches.

`message` says it in words, transports carry it, `delivery` brings every channel up to date, `endpoints`
takes what comes back. Nothing here decides who may approve: votes go through `Approvals`.
"""
