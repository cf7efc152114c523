package hoofbeat.spring.support;

import java.io.IOException;

/** Ends a process if this one is killed. */
public final class Guard {
    private Guard() {}

    /**
     * Starts a shell whose input closes when this process ends. When the process ends, the shell must be ended as
     * well.
     */
    public static Process over(Process process) throws IOException {
        Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
        return new ProcessBuilder("sh", "-c", "read -r _; kill -KILL \"$0\"", Long.toString(process.pid())).start();
    }
}
