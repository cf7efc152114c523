package hoofbeat.spring.support;

import java.io.IOException;

/** Ends a process when this one is killed and cannot do it. */
public final class Guard {
    private Guard() {}

    /** Starts a shell whose input closes when this process ends. Whoever ends the process ends the shell, too. */
    public static Process over(Process process) throws IOException {
        Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
        return new ProcessBuilder("sh", "-c", "read -r _; kill -KILL \"$0\"", Long.toString(process.pid())).start();
    }
}
