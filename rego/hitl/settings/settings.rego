# METADATA
# title: Settings
# description: What an installation sets, in data.yaml beside this; empty for the reason that hitl.tiers is.
package hitl.settings
