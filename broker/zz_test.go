package broker
import ("testing";"strings";"time";"math/rand/v2")
func TestZZ(t *testing.T){
	name := strings.TrimSuffix(strings.Repeat("a.", 500), ".")
	for _,pattern := range []string{strings.Repeat("**.*.", 100) + "b",strings.Repeat("**.", 300) + "b"} {
	root := &node{}
		root.insert(pattern, &topic{})
		m := matcher{}
		t0:=time.Now()
		m.walk(root, name, true)
		t.Log(time.Since(t0), len(m.seen))
	}
	for _,k := range []int{10,100,1000} {
	r := rand.New(rand.NewPCG(1,1))
	root := &node{}
	for range k {
	p:=""
	for range 300 { p+=[]string{"*.","**.","a."}[r.IntN(3)]}
	root.insert(p+"b",&topic{})
	}
		m := matcher{}
		t0:=time.Now()
		m.walk(root, name, true)
		t.Log(k, time.Since(t0), len(m.seen))
	}
}
