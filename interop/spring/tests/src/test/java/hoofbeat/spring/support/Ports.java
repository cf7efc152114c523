package hoofbeat.spring.support;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.concurrent.ThreadLocalRandom;

/** Free loopback ports below the system's ephemeral range, so that a restarted server finds its port free. */
public final class Ports {
    private static final int FIRST = 20_000;
    private static final int BEYOND = 32_000;
    private static int next = ThreadLocalRandom.current().nextInt(FIRST, BEYOND);

    private Ports() {}

    public static synchronized int free() {
        for (int tries = 0; tries < 1000; tries++) {
            next = next + 1 < BEYOND ? next + 1 : FIRST;
            try (ServerSocket socket = new ServerSocket(next, 1, InetAddress.getLoopbackAddress())) {
                return socket.getLocalPort();
            } catch (IOException inUse) {
                // try the next one
            }
        }
        throw new IllegalStateException("no free port");
    }
}
