package hoofbeat.spring.support;

import static org.junit.jupiter.api.Assertions.fail;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A queue between callbacks, which fill it, and a test, which waits for its items with a time limit. */
public final class Inbox<T> {
    /** The time limit of every step, in seconds. */
    public static final int PATIENCE = 20;

    private final BlockingQueue<T> items = new LinkedBlockingQueue<>();
    private final String what;

    public Inbox(String what) {
        this.what = what;
    }

    public void put(T item) {
        items.add(item);
    }

    /** Takes the oldest item, waiting for one if there is none. */
    public T next() {
        try {
            T item = items.poll(PATIENCE, TimeUnit.SECONDS);
            return item != null ? item : fail(what + ": not within " + PATIENCE + " s");
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Takes the next n items. */
    public List<T> take(int n) {
        List<T> taken = new ArrayList<>();
        while (taken.size() < n) {
            taken.add(next());
        }
        return taken;
    }

    /** The items left in the queue. */
    public List<T> waiting() {
        return List.copyOf(items);
    }
}
