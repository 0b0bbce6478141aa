// Text that reads differently to a person and to a compiler (CVE-2021-42574).

rule disguise_bidirectional {
  meta:
    title = "Control characters reverse the order of the text, so that code looks like something else."
    severity = "review"
    remedy = "Remove the invisible characters; write right-to-left text in data files."
  strings:
    $override = { E2 80 ( AA | AB | AD | AE ) }
    $isolate = { E2 81 ( A6 | A7 | A8 ) }
    $code = /\b(function|return|const|def|class|import|if|fn|public|private)\b/
  condition:
    ($override or $isolate) and $code
}

rule disguise_invisible {
  meta:
    title = "A long run of invisible characters hides data in the text."
    severity = "blocker"
    remedy = "Remove the invisible characters."
  strings:
    $selectors = /(\xF3\xA0[\x84-\x87][\x80-\xBF]){24,}/
    $variation = /(\xEF\xB8[\x80-\x8F]){24,}/
    $zero_width = /(\xE2\x80[\x8B-\x8D]){24,}/
  condition:
    any of them
}
