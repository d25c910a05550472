import react from "@vitejs/plugin-react";
import { defineConfig, loadEnv } from "vite";

// `npm run dev` serves the page from its sources and passes the API on to a system that runs:
// STUDIO_URL is its address, STUDIO_TOKEN its token.
export default defineConfig(({ mode }) => {
  const env = loadEnv(mode, ".", "STUDIO_");
  return {
    plugins: [react()],
    build: { target: "es2022", assetsInlineLimit: 0, chunkSizeWarningLimit: 700 },
    server: {
      proxy: {
        "/api": {
          target: env["STUDIO_URL"] ?? "http://127.0.0.1:8080",
          headers: { authorization: `Bearer ${env["STUDIO_TOKEN"] ?? ""}` },
        },
      },
    },
  };
});
