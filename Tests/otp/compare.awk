# Tests/otp/compare.awk - compares what two runtimes printed of the same scenarios.
#
#   awk -f compare.awk -v mode=list|page|show differences.txt OTP APUS
#
# list: a line for each scenario, "same", "allowed" or "DIFFERS", a tab, its title. page: rows of the table in docs/otp.md. show: both
# outcomes of each scenario that DIFFERS.
function title_of(line) { sub(/^scenario /, "", line); return line }
function add(text, line) { sub(/^ +/, "", line); return text == "" ? line : text "; " line }

FNR == 1 { file++ }
file == 1 {
    if ($0 !~ /^#/) {
        split($0, part, " \\| ")
        allowed[part[1]] = part[2]
    }
    next
}
/^scenario / {
    title = title_of($0)
    if (file == 2)
        order[++count] = title
    next
}
/^>/ { raw[file, title] = raw[file, title] "\n" $0; next }
{
    raw[file, title] = raw[file, title] "\n" $0
    events[file, title] = add(events[file, title], $0)
}
END {
    for (i = 1; i <= count; i++) {
        title = order[i]
        same = raw[2, title] == raw[3, title]
        verdict = same ? (title in allowed ? "DIFFERS" : "same") : (title in allowed ? "allowed" : "DIFFERS")
        if (mode == "list") {
            print verdict "\t" title
        } else if (mode == "show" && verdict == "DIFFERS") {
            print title (same ? ": no more a difference" : ": OTP" raw[2, title] "\n: Apus" raw[3, title])
        } else if (mode == "page") {
            rule = title
            sub(/ .*/, "", rule)
            sub(/^R[0-9]+ /, "", title)
            apus = same ? "the same" : events[3, order[i]]
            printf "| %s | %s | %s | %s | %s |\n", rule, title, events[2, order[i]], apus, same ? "same" : "differs: " allowed[order[i]]
        }
    }
}
