# METADATA
# title: Tiers
# description: >-
#   What tools and effects are worth, in data.yaml beside this. The package is empty, and there so that
#   the embedded engine looks for rules of this name once, and not again for each value that is read.
package hitl.tiers
