package {{ entity }}

import (
	"encoding/json"
	"testing"
)

const valid = `{
{% for f in fields %}
  "{{ f.name }}": {{ f.go_json_sample }}{{ "," if not loop.last }}
{% endfor %}
}`

func TestACompleteOneHasNoProblems(t *testing.T) {
	var n New
	if err := json.Unmarshal([]byte(valid), &n); err != nil {
		t.Fatal(err)
	}
	if problems := n.Problems(); len(problems) != 0 {
		t.Fatalf("unexpected: %v", problems)
	}
}

func TestAnEmptyOneNamesItsProblems(t *testing.T) {
	if problems := (New{}).Problems(); len(problems) == 0 {
		t.Fatal("an empty one must have problems")
	}
}
