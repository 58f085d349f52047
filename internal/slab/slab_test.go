package slab

import "testing"

func TestClassesHaveRoomAndWasteLittle(t *testing.T) {
	t.Parallel()
	for class := range classes {
		if got := classOf(sizeOf(class)); got != class {
			t.Errorf("class %d of %d bytes is found as %d", class, sizeOf(class), got)
		}
		if class > 0 && sizeOf(class) <= sizeOf(class-1) {
			t.Errorf("class %d has %d bytes, the one before %d", class, sizeOf(class), sizeOf(class-1))
		}
	}
	if sizeOf(0) != Smallest || sizeOf(classes-1) != Largest {
		t.Errorf("classes reach from %d to %d, want from %d to %d", sizeOf(0), sizeOf(classes-1), Smallest, Largest)
	}
	for size := Smallest; size <= Largest; size += 4099 {
		class := classOf(size)
		if room := sizeOf(class); room < size || room > size+size/steps+1 {
			t.Errorf("%d bytes get %d", size, room)
		}
	}
}

func TestWhatIsGivenBackComesAgain(t *testing.T) {
	t.Parallel()
	const size = 9<<20 + 3 // no other test uses its class
	for range 100 {        // the race detector drops some of what is put
		b := append(Get(size), "left"...)
		Put(b[:2])
		again := Spare(size - 1)
		if again == nil {
			continue
		}
		if len(again) != 0 || cap(again) < size || &again[:1][0] != &b[0] {
			t.Fatalf("got %d of %d bytes, or others than were given back", len(again), cap(again))
		}
		return
	}
	t.Error("nothing came again")
}

func TestOtherSlicesAreNotKept(t *testing.T) {
	t.Parallel()
	for _, b := range [][]byte{nil, make([]byte, 10), make([]byte, Smallest+1), make([]byte, Largest+1)} {
		Put(b)
	}
	if got := Spare(Smallest + 1); got != nil && cap(got) == Smallest+1 {
		t.Error("a slice of a foreign size came back")
	}
	for _, size := range []int{0, 10, Smallest - 1, Largest + 1} {
		if got := Get(size); len(got) != 0 || cap(got) < size {
			t.Errorf("Get(%d) has room for %d", size, cap(got))
		}
		if Spare(size) != nil {
			t.Errorf("Spare(%d) is kept", size)
		}
	}
}
