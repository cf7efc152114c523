package hoofbeat.spring.support;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;

/**
 * Writes the table of clients and features to the file in the property "features". The display name of a class is
 * the client, that of a method the feature. Each line has client, feature, and pass, fail or skip, separated by
 * tabs.
 */
public final class Features implements TestExecutionListener {
    private record Feature(String client, String name) {}

    private static final Map<Feature, String> RESULTS =
            new ConcurrentSkipListMap<>(Comparator.comparing(Feature::client).thenComparing(Feature::name));

    private TestPlan plan;

    @Override
    public void testPlanExecutionStarted(TestPlan plan) {
        this.plan = plan;
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
        boolean passed = result.getStatus() == TestExecutionResult.Status.SUCCESSFUL;
        if (test.isTest() || !passed) { // a class fails if its broker does
            note(test, passed ? "pass" : "fail");
        }
    }

    @Override
    public void executionSkipped(TestIdentifier test, String reason) {
        note(test, "skip");
    }

    private void note(TestIdentifier test, String result) {
        String client = test.isTest() ? plan.getParent(test).orElseThrow().getDisplayName() : test.getDisplayName();
        RESULTS.put(new Feature(client, test.isTest() ? test.getDisplayName() : "the broker and its end"), result);
    }

    @Override
    public void testPlanExecutionFinished(TestPlan plan) {
        StringBuilder lines = new StringBuilder();
        RESULTS.forEach((feature, result) -> lines.append(String.join("\t", feature.client(), feature.name(), result)).append('\n'));
        try {
            Path file = Path.of(System.getProperty("features", "target/features.tsv"));
            Files.createDirectories(file.toAbsolutePath().getParent());
            Files.writeString(file, lines);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        System.out.print(lines.toString().replace("\t", " | "));
    }
}
