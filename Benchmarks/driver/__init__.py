"""The benchmark driver: runs workloads of several peers by turns, keeps what they say, and reports. Standard library only.

workloads   what is measured, with parameters and scales: the one table
peers       how a peer is built and started
machine     what it runs on
runner      rounds, turns, limits of time; the results as they come
limits      what the hardware allows, and which of it bounds a workload
numa        counts of the machine of four nodes
stats       medians, spreads, rank tests; pure functions
compare     two runs, or two builds in one: what changed and what is noise
document    headings, tables and figures, as HTML and as Markdown
svg, charts plots
report      a run as a document
cli         the command
"""
