// Package {{ entity }} is about {{ entities_words }}: what they are, where they are kept, how they are asked for.
package {{ entity }}

import (
	"strings"
	"time"
)

// New is a {{ entity_words }} as it is sent to us.
type New struct {
{% for f in fields %}
	{{ f.pascal }} {{ f.go }} `json:"{{ f.name }}"`
{% endfor %}
}

// {{ Entity }} is a {{ entity_words }} as it is kept.
type {{ Entity }} struct {
	ID        int64     `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	New
}

// Problems lists everything that is wrong, each in a sentence.
func (n New) Problems() []string {
	var problems []string
{% for f in fields %}
{% if f.kind in ["text", "email", "url"] %}
	if strings.TrimSpace(n.{{ f.pascal }}) == "" {
		problems = append(problems, "{{ f.name }} is empty.")
	}
{% elif f.kind in ["int", "money"] %}
	if n.{{ f.pascal }} < 0 {
		problems = append(problems, "{{ f.name }} is negative.")
	}
{% endif %}
{% endfor %}
	return problems
}
