# table.awk - one table of a benchmark report. Reads first, from -, the lines `peer,workload,cores,why` of what was not measured, then
# the single results `round,peer,workload,cores,scale,value,unit,wall,load`. Variables: cores, peers, workloads.

NF == 4 && $3 == cores { why[$1, $2] = $4 }
NF == 9 && $4 == cores && $1 ~ /^[0-9]/ {
    count[$2, $3]++
    value[$2, $3, count[$2, $3]] = $6 == "inf" ? 1e300 : $6 + 0
    unit[$3] = $7
}

function sort_values(peer, work,    n, i, j, x) {
    n = count[peer, work]
    for (i = 2; i <= n; i++) {
        x = value[peer, work, i]
        for (j = i - 1; j > 0 && value[peer, work, j] > x; j--) value[peer, work, j + 1] = value[peer, work, j]
        value[peer, work, j + 1] = x
    }
    least[peer, work] = value[peer, work, 1]
    most[peer, work] = value[peer, work, n]
    median[peer, work] = n % 2 ? value[peer, work, (n + 1) / 2] : (value[peer, work, n / 2] + value[peer, work, n / 2 + 1]) / 2
}

# Three digits at least, thousands apart, millions as M.
function pretty(x,    s, out) {
    if (x >= 1e299) return "inf"
    if (x >= 1e6) return sprintf("%.2f M", x / 1e6)
    if (x < 10) return sprintf("%.3f", x)
    if (x < 1000) return sprintf("%.1f", x)
    s = sprintf("%d", x + 0.5)
    for (out = ""; length(s) > 3; s = substr(s, 1, length(s) - 3)) out = "," substr(s, length(s) - 2) out
    return s out
}

function cell(peer, work) {
    if ((peer, work) in why) return why[peer, work] == "-" ? "-" : "**FAIL**"
    if (!count[peer, work]) return ""
    if (count[peer, work] == 1) return pretty(median[peer, work])
    return pretty(median[peer, work]) " [" pretty(least[peer, work]) " to " pretty(most[peer, work]) "]"
}

# How many times better than b a is.
function times_better(a, b, higher) { return higher ? a / b : b / a }

function verdict(work, apus, best, ratio, higher,    word, overlap) {
    word = ratio >= 2 ? "**twice**" : ratio >= 1.1 ? "*ahead*" : ratio >= 0.9 ? "level" : "**behind**"
    overlap = least[apus, work] <= most[best, work] && least[best, work] <= most[apus, work]
    return word (overlap && count[apus, work] > 1 ? "?" : "")
}

END {
    peer_count = split(peers, peer, " ")
    work_count = split(workloads, work, " ")
    for (i = 1; i <= peer_count; i++) {
        if (peer[i] ~ /^apus/ && apus == "") apus = peer[i]
        if (peer[i] !~ /^apus/) others++
    }
    compare = apus != "" && others
    head = "| workload | unit |"
    rule = "|---|---|"
    for (i = 1; i <= peer_count; i++) {
        head = head " " peer[i] " |"
        rule = rule "---:|"
        if (compare && peer[i] == apus) {
            head = head " best peer | ratio | verdict |"
            rule = rule "---|---:|---|"
        }
    }
    print head
    print rule
    for (w = 1; w <= work_count; w++) {
        k = work[w]
        higher = unit[k] ~ /\/s$/
        best = ""
        for (i = 1; i <= peer_count; i++) {
            p = peer[i]
            if (!count[p, k]) continue
            sort_values(p, k)
            raced = p !~ /^apus/ && p != "swift-actors" && !((p, k) in why)
            if (raced && (best == "" || times_better(median[p, k], median[best, k], higher) > 1)) best = p
        }
        row = "| " k " | " (unit[k] == "" ? "" : unit[k] (higher ? ", more is better" : ", less is better")) " |"
        for (i = 1; i <= peer_count; i++) {
            row = row " " cell(peer[i], k) " |"
            if (!compare || peer[i] != apus) continue
            if (best == "") row = row " none | | " (count[apus, k] ? "alone" : "") " |"
            else if (!count[apus, k] || (apus, k) in why) row = row " " best " | | " (why[apus, k] == "-" ? "no form of it" : "**FAIL**") " |"
            else {
                ratio = times_better(median[apus, k], median[best, k], higher)
                row = row sprintf(" %s | %.2f | %s |", best, ratio, verdict(k, apus, best, ratio, higher))
            }
        }
        print row
    }
}
